"""What strangers write, damaged in every way that a seed can think of."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))  # the tests import mutator and corpus beside them
