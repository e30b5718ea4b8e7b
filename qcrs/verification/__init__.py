"""Whether a result may be trusted: frames, statistics, simulation and the verdict over them."""
