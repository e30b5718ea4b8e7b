"""Applications carried out: on a network's delivered pairs, with messages that travel over its links."""
