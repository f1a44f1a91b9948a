import pytest

from server.alone import Alone
from server.migrate import upgrade
from server.sql import open_engines
from watchkeeper.errors import ConfigError


def test_a_second_server_of_a_database_does_not_start(url: str) -> None:
    engines = open_engines(url)
    upgrade(engines.write)
    with Alone(engines.write):
        with pytest.raises(ConfigError, match="another server"):
            Alone(engines.write)
        with engines.write.begin() as connection:  # an account is added beside the server
            connection.exec_driver_sql("delete from change")
    with Alone(engines.write):
        pass
    for engine in engines:
        engine.dispose()
