# Two commands do everything on a fresh machine: make demo, make test.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
STAMP := $(VENV)/.installed
PARTS := mosquitto mosquitto-clients influxdb victoria-metrics postgresql docker-compose openssl chromium fonts-noto-cjk poppler-utils
OUR := watchkeeper adapters edge gateway broker server dashboard simulators ops tests benchmarks

.PHONY: demo test test-influx2 check setup parts peers bench pictures locks

demo: setup
	$(RUN) -m ops.main demo $(DEMO)

setup: $(STAMP)

$(STAMP): locks/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.11 …"; exit 1; }
	@test -x $(RUN) || $(PYTHON) -m venv $(VENV) || { echo "the venv module is missing: apt-get install python3-venv, as root"; exit 1; }
	$(RUN) -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r locks/dev.txt
	$(RUN) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# The real parts of the tests, from Debian; no service is started.
parts:
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  missing=""; for part in $(PARTS); do dpkg -s $$part >/dev/null 2>&1 || missing="$$missing $$part"; done; \
	  if [ -n "$$missing" ]; then \
	    printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d.watchkeeper; chmod +x /usr/sbin/policy-rc.d.watchkeeper; \
	    [ -e /usr/sbin/policy-rc.d ] || { mv /usr/sbin/policy-rc.d.watchkeeper /usr/sbin/policy-rc.d; ours=1; }; \
	    conf=/etc/postgresql-common/createcluster.conf; [ -e $$conf ] || { mkdir -p $${conf%/*}; echo 'create_main_cluster = false' > $$conf; }; \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; status=$$?; \
	    [ -z "$$ours" ] || rm -f /usr/sbin/policy-rc.d; rm -f /usr/sbin/policy-rc.d.watchkeeper; exit $$status; \
	  fi; \
	else echo "parts: not root on Debian; tests of real parts are left out where a part is missing"; fi

test: setup parts
	$(RUN) -m pytest -v -n 2 --dist loadfile $(TESTS)

# The contract of the history store on another InfluxDB: make test-influx2 INFLUXD=path/of/influxd
# (1.8 or 2.x, whose own write path is taken; the program is not ours to bring).
test-influx2: setup
	@test -x "$(INFLUXD)" || { echo "say which: make test-influx2 INFLUXD=/path/of/influxd"; exit 1; }
	$(RUN) -m pytest -v --influxd "$(INFLUXD)" tests/contract/test_history.py tests/contract/test_influx.py

check: setup
	$(VENV)/bin/ruff format --check $(OUR)
	$(VENV)/bin/ruff check $(OUR)
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(RUN) -m ops.main catalog check

bench: setup
	$(RUN) -m ops.main bench alarm --short

# The pictures of the documentation, taken of the running product.
pictures: setup
	$(RUN) -m ops.pictures

# Environments of the peers that benchmarks are held against; each on its own, none of them is ours.
# The last three are what the gateway would fetch by itself at its first start (docs/peers.md).
peers:
	$(PYTHON) -m venv .peers/thingsboard-gateway
	.peers/thingsboard-gateway/bin/pip install --quiet --disable-pip-version-check \
	  thingsboard-gateway==3.8.5 pymodbus==3.9.2 pyserial==3.5 pyserial-asyncio==0.6

locks:
	for extra in edge gateway server dashboard all; do \
	  uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links --extra $$extra pyproject.toml -o locks/$$extra.txt; done
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links --extra all --group dev pyproject.toml -o locks/dev.txt
