"""`make matrix` runs what takes long too."""

import os

collect_ignore = [] if os.environ.get("MODELPORT_TEST_MATRIX") else ["test_package_elsewhere.py"]
