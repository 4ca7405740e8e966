"""Talking to a model: clients, and the requests and results of resolvers and summarisers.

This package knows nothing of repositories.
``types`` and ``callables`` load nothing heavy; ``clients`` loads httpx.
"""
