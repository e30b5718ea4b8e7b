"""A provider's node: runs the jobs that the queue gives its processor on any Qiskit `BackendV2`."""
