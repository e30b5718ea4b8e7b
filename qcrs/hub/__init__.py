"""Services around one participant: the chain at a URL, events, dashboard."""
