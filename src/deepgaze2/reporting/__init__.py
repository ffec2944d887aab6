"""What was found, for people: the HTML report and the figures.

Begin with `html_report.py`.
"""
