"""Talking to a model: clients, and what resolvers and summarisers are given and give back.

A side shelf: nothing here knows of repositories.
``types`` and ``callables`` load nothing heavy; ``clients`` brings httpx.
"""
