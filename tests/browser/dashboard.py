"""The dashboard in front of a given server: `python -m tests.browser.dashboard PORT SERVER`."""

import sys

from dashboard import main
from watchkeeper.settings import Ports, Settings

if __name__ == "__main__":
    ports = Ports(dashboard=int(sys.argv[1]), api=int(sys.argv[2]))
    sys.exit(main.run(Settings(ports=ports)))
