"""Receives webhooks and verifies them with PyPI's standardwebhooks, the specification's own library.

usage: receiver.py SECRET RECORD_FILE [PORT]

Prints the port it listens on. Each request becomes one line of JSON in RECORD_FILE: the verified body, or why it was
refused. The file is appended to, so that a receiver that was restarted goes on where it stopped.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock

from standardwebhooks import Webhook, WebhookVerificationError

webhook = Webhook(sys.argv[1])
record = open(sys.argv[2], "a", encoding="utf-8")
port = int(sys.argv[3]) if len(sys.argv) > 3 else 0
lock = Lock()


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        try:
            line = {"id": self.headers["webhook-id"], "body": webhook.verify(body, dict(self.headers))}
            status = 204
        except WebhookVerificationError as problem:
            line = {"refused": str(problem)}
            status = 401
        with lock:
            record.write(json.dumps(line) + "\n")
            record.flush()
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", port), Receiver)
print(server.server_address[1], flush=True)
server.serve_forever()
