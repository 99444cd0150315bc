// A receiver of deliveries whose health a test turns: it keeps what it got, and answers as it is told.

import { createServer } from "node:http";

export class Receiver {
  /** Listens on a free port of this machine. */
  static async open() {
    const receiver = new Receiver();
    receiver.server = createServer((request, response) => receiver.take(request, response));
    await new Promise((resume) => receiver.server.listen(0, "127.0.0.1", resume));
    return receiver;
  }

  constructor() {
    /** What came, oldest first: path, headers and body. */
    this.received = [];
    /** The status of the next answers. */
    this.status = 204;
  }

  /** The URL to send to. */
  url(path = "/hook") {
    return `http://127.0.0.1:${this.server.address().port}${path}`;
  }

  async take(request, response) {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    this.received.push({
      path: request.url,
      headers: request.headers,
      body: Buffer.concat(chunks).toString(),
    });
    response.writeHead(this.status, { "content-type": "text/plain" });
    response.end(this.status === 204 ? undefined : `answered with ${this.status}, as told\n`);
  }

  close() {
    this.server.closeAllConnections();
    this.server.close();
  }
}
