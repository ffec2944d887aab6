"""The server: a page in the browser and an API beside it, for this machine alone.

`server.run` starts it. The process that talks to clients decodes no image: that and the
computing happen in a worker process, which may die without taking the server along.
"""
