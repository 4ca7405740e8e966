"""Judgement about a context, made by people or by models: how conflicts are resolved."""
