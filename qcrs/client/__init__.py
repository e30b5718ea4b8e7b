"""Typed operations of an exchange's client, and the documents that all participants share."""
