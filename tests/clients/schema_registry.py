"""The part of a Confluent-compatible schema registry that a producer and a consumer need. Prints its URL, then serves."""

import http.server
import json

FIRST_ID = 4711
SCHEMAS = []


class Registry(http.server.BaseHTTPRequestHandler):
    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/vnd.schemaregistry.v1+json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        parts = self.path.strip("/").split("/")
        if len(parts) != 3 or parts[0] != "subjects" or parts[2] != "versions" or asked.get("schemaType") != "AVRO":
            return self.answer(404, {"error_code": 404, "message": "not here"})
        schema = json.dumps(json.loads(asked["schema"]))
        if schema not in SCHEMAS:
            SCHEMAS.append(schema)
        self.answer(200, {"id": FIRST_ID + SCHEMAS.index(schema)})

    def do_GET(self):
        number = self.path.removeprefix("/schemas/ids/")
        if not number.isdigit() or not 0 <= int(number) - FIRST_ID < len(SCHEMAS):
            return self.answer(404, {"error_code": 40403, "message": "no such schema"})
        self.answer(200, {"schema": SCHEMAS[int(number) - FIRST_ID]})

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
