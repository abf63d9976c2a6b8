"""What people do with the client toxiproxy-python, against the API at the port in the first argument."""

import socket
import socketserver
import sys
import threading
import time

from toxiproxy import Toxiproxy
from toxiproxy.exceptions import InvalidToxic, NotFound, ProxyExists

# Hosts that test are busy; nothing here waits longer than it has to.
PATIENCE = 20


class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(65536):
            self.request.sendall(data)


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True


def connect(proxy):
    host, port = proxy.listen.rsplit(":", 1)
    return socket.create_connection((host, int(port)), PATIENCE)


def trip(connection):
    """Seconds of a round trip."""
    start = time.monotonic()
    connection.sendall(b"x")
    assert connection.recv(1) == b"x"
    return time.monotonic() - start


def raises(error, work):
    try:
        work()
    except error:
        return
    raise AssertionError(f"no {error.__name__}")


def refused(proxy):
    try:
        connect(proxy).close()
    except ConnectionRefusedError:
        return True
    return False


upstream = Server(("127.0.0.1", 0), Echo)
threading.Thread(target=upstream.serve_forever, daemon=True).start()
address = "127.0.0.1:%d" % upstream.server_address[1]

toxiproxy = Toxiproxy()
toxiproxy.update_api_consumer("127.0.0.1", int(sys.argv[1]))
assert toxiproxy.running()
assert b'"2.' in toxiproxy.version()

# Proxies come and go.
assert toxiproxy.proxies() == {}
proxy = toxiproxy.create(address, "db")
assert proxy.enabled and proxy.upstream == address
raises(ProxyExists, lambda: toxiproxy.create(address, "db"))
made = toxiproxy.populate([{"name": "cache", "upstream": address, "listen": "127.0.0.1:0"}])
assert [it.name for it in made] == ["cache"]
assert sorted(toxiproxy.proxies()) == ["cache", "db"]
assert toxiproxy.destroy(toxiproxy.get_proxy("cache"))
assert toxiproxy.get_proxy("cache") is None

# Each toxic does what it says, on connections that were there before.
connection = connect(proxy)
trip(connection)
proxy.add_toxic(type="latency", attributes={"latency": 150, "jitter": 10})
assert trip(connection) >= 0.14
toxic = proxy.get_toxic("latency_downstream")
assert (toxic.type, toxic.stream, toxic.toxicity) == ("latency", "downstream", 1.0)
assert toxic.attributes == {"latency": 150, "jitter": 10}
assert proxy.destroy_toxic("latency_downstream")
assert min(trip(connection) for _ in range(20)) < 0.1

proxy.add_toxic(name="narrow", type="bandwidth", stream="upstream", attributes={"rate": 100})
start = time.monotonic()
connection.sendall(b"x" * 50_000)
left = 50_000
while left:
    left -= len(connection.recv(65536))
assert time.monotonic() - start >= 0.4
proxy.destroy_toxic("narrow")

proxy.add_toxic(type="slicer", attributes={"average_size": 10, "size_variation": 0, "delay": 2000})
connection.sendall(b"x" * 100)
pieces = []
while sum(pieces) < 100:
    pieces.append(len(connection.recv(1000)))
assert len(pieces) > 3, pieces
proxy.destroy_toxic("slicer_downstream")

proxy.add_toxic(type="timeout", attributes={"timeout": 100})
connection.sendall(b"lost")
assert connection.recv(1) == b""
proxy.destroy_toxic("timeout_downstream")

proxy.add_toxic(type="limit_data", attributes={"bytes": 3})
connection = connect(proxy)
connection.sendall(b"hello")
received = b""
while data := connection.recv(100):
    received += data
assert received == b"hel", received
proxy.destroy_toxic("limit_data_downstream")

proxy.add_toxic(type="reset_peer", stream="upstream", attributes={"timeout": 0})
connection = connect(proxy)
connection.sendall(b"x")
raises(ConnectionResetError, lambda: connection.recv(1))
proxy.destroy_toxic("reset_peer_upstream")

proxy.add_toxic(type="slow_close", stream="upstream", attributes={"delay": 200})
connection = connect(proxy)
trip(connection)
start = time.monotonic()
connection.shutdown(socket.SHUT_WR)
assert connection.recv(1) == b""
assert time.monotonic() - start >= 0.2
proxy.destroy_toxic("slow_close_upstream")

# Mistakes are told in the client's own terms.
raises(InvalidToxic, lambda: proxy.add_toxic(type="walrus"))
raises(InvalidToxic, lambda: proxy.add_toxic(type="latency", stream="sideways"))
raises(NotFound, lambda: proxy.destroy_toxic("nobody"))

# Down, up, and all as it was.
with proxy.down():
    assert refused(proxy)
trip(connect(proxy))
proxy.disable()
proxy.add_toxic(type="timeout")
assert toxiproxy.reset()
assert proxy.toxics() == {}
trip(connect(proxy))
toxiproxy.destroy_all()
assert toxiproxy.proxies() == {} and refused(proxy)
