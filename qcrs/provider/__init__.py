"""The Qiskit-facing service: provider, backends, jobs and native primitives of the exchange."""
