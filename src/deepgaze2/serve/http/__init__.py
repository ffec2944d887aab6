"""Requests and answers: routes, forms, limits, problems, the description of the API.

Begin with `app.py`.
"""
