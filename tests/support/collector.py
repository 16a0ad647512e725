"""A real OTLP/HTTP receiver for tests: decodes what arrives with OpenTelemetry's own protobuf messages (PyPI's
opentelemetry-proto, so it runs under a Python of its own) and writes one JSON line for each request to standard output.

    collector.py MODE    MODE: ok | hang | slow | refuse | busy | partial; the first line it writes is its port.
"""
import base64
import http.server
import json
import sys
import threading
import time

from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as service

MODE = sys.argv[1]
asked = 0
lock = threading.Lock()


def value_of(value):
    kind = value.WhichOneof("value")
    return getattr(value, kind)


def attributes(pairs):
    keys = [pair.key for pair in pairs]
    assert len(set(keys)) == len(keys), keys
    return {pair.key: value_of(pair.value) for pair in pairs}


def from_protobuf(body):
    request = service.ExportTraceServiceRequest.FromString(body)
    resource, = request.resource_spans
    scope, = resource.scope_spans
    return attributes(resource.resource.attributes), [{
        "trace": span.trace_id.hex(), "id": span.span_id.hex(), "parent": span.parent_span_id.hex(), "name": span.name,
        "kind": span.kind, "start": span.start_time_unix_nano, "end": span.end_time_unix_nano,
        "attributes": attributes(span.attributes), "status": span.status.code, "flags": span.flags,
        "links": [[link.trace_id.hex(), link.span_id.hex()] for link in span.links]} for span in scope.spans]


def from_json(body):
    """The mapping's own rules: ids in hexadecimal, 64-bit numbers as texts."""
    def attributes_of(pairs):
        return {p["key"]: int(p["value"]["intValue"]) if "intValue" in p["value"] else p["value"]["stringValue"]
                for p in pairs}

    resource, = json.loads(body)["resourceSpans"]
    scope, = resource["scopeSpans"]
    for span in scope["spans"]:
        assert len(span["traceId"]) == 32 and len(span["spanId"]) == 16 and isinstance(span["startTimeUnixNano"], str)
        assert all(isinstance(p["value"].get("intValue", ""), str) for p in span["attributes"])
    return attributes_of(resource["resource"]["attributes"]), [{
        "trace": s["traceId"], "id": s["spanId"], "parent": s.get("parentSpanId", ""), "name": s["name"], "kind": s["kind"],
        "start": int(s["startTimeUnixNano"]), "end": int(s["endTimeUnixNano"]), "attributes": attributes_of(s["attributes"]),
        "status": s.get("status", {}).get("code", 0), "flags": s["flags"],
        "links": [[link["traceId"], link["spanId"]] for link in s.get("links", [])]} for s in scope["spans"]]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, body=b"", headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        global asked
        body = self.rfile.read(int(self.headers["Content-Length"]))
        is_json = self.headers["Content-Type"] == "application/json"
        resource, spans = from_json(body) if is_json else from_protobuf(body)
        with lock:
            asked += 1
            turn = asked
        status = {"refuse": 400, "busy": 503 if turn <= 2 else 200}.get(MODE, 200)
        print(json.dumps({"path": self.path, "type": self.headers["Content-Type"], "key": self.headers.get("x-key"),
                          "status": status, "resource": resource, "spans": spans, "at": time.time(),
                          "body": base64.b64encode(body).decode()}), flush=True)
        if MODE == "hang":
            time.sleep(3600)
        if MODE == "slow":
            time.sleep(1)
        if MODE == "busy" and status == 503:
            return self.answer(503, b"", [("Retry-After", "1")])
        if MODE == "partial":
            if is_json:
                return self.answer(200, b'{"partialSuccess":{"rejectedSpans":"1","errorMessage":"one too many"}}')
            reply = service.ExportTraceServiceResponse()
            reply.partial_success.rejected_spans = 1
            reply.partial_success.error_message = "one too many"
            return self.answer(200, reply.SerializeToString())
        return self.answer(status)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
print(server.server_port, flush=True)
server.serve_forever()
