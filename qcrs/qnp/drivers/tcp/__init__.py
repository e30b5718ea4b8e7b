"""The TCP driver: a process for each node, frames between them over TCP, hardware in a broker process.

Two clocks. *Logical*: the broker is the event heap's `Network` with the rules called in the node processes,
so a run gives the same trace, byte for byte; what is real are processes, sockets and frames. *Wall*: nodes
act on their own as frames and heralds come, and time is the machine's.
"""
