/**
 * A stand-in for the server while screens are drawn: `ZUOXI_MOCK=1 npm run dev`. It answers the
 * contract from fixed data and is set into a scene by POST /mock/<scene>. Never part of the build.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";

import type { Connect, Plugin } from "vite";
import { WebSocketServer, type WebSocket } from "ws";

import * as customers from "./customers";
import * as data from "./data";

const BEAT_MS = 2000;
const JSON_TYPE = { "Content-Type": "application/json" };

interface Client {
  socket: WebSocket;
  topic: "desk" | "floor" | null;
}

class Mock {
  private user: string | null = null;
  private seated = true;
  private scene = "ready";
  private seq = 1;
  private readonly clients = new Set<Client>();

  answer(method: string, path: string, body: Record<string, unknown>): [number, unknown] {
    const route = `${method} ${path.split("?")[0]}`;
    if (path.startsWith("/mock/cards-")) {
      customers.setCards(path.slice("/mock/cards-".length));
      return [200, {}];
    }
    if (path.startsWith("/mock/")) {
      this.setScene(path.slice("/mock/".length));
      return [200, {}];
    }
    const aboutCustomers = customers.answer(method, path, body);
    if (aboutCustomers) return aboutCustomers;
    if (route === "POST /api/v1/session") return this.signIn(body);
    if (route === "GET /api/v1/session") return this.me();
    if (route === "DELETE /api/v1/session") return this.signOut();
    if (route === "GET /api/v1/floor") return [200, data.floor()];
    if (route === "GET /api/v1/trends") return [200, data.trends()];
    if (route === "POST /api/v1/agent/sign-in") return this.takeSeat(body);
    if (route === "GET /api/v1/agent/seat") return [200, data.seat("8001")];
    if (route === "POST /api/v1/agent/ready") return this.become("ready");
    if (route === "POST /api/v1/agent/not-ready") return this.become("not_ready");
    if (route.startsWith("POST /api/v1/agent/calls") && body.finish) return this.become("ready");
    if (route === "GET /api/v1/calls") return [200, { items: data.calls(), next: "more" }];
    if (route.startsWith("GET /api/v1/calls/")) return [200, data.callDetail()];
    return [200, {}];
  }

  join(socket: WebSocket): void {
    const client: Client = { socket, topic: null };
    this.clients.add(client);
    const beat = setInterval(() => {
      socket.send(JSON.stringify({ type: "alive", now: Date.now() / 1000 }));
    }, BEAT_MS);
    socket.on("close", () => {
      clearInterval(beat);
      this.clients.delete(client);
    });
    socket.on("message", (text) => {
      const message = JSON.parse(String(text)) as { type: string; topics?: ("desk" | "floor")[] };
      if (message.type !== "subscribe") return;
      client.topic = message.topics?.[0] ?? null;
      this.send(client);
    });
  }

  private setScene(scene: string): void {
    this.scene = scene;
    this.seated = scene !== "no_seat";
    if (scene === "cut") {
      for (const client of this.clients) client.socket.close();
      return;
    }
    for (const client of this.clients) this.send(client);
  }

  private send(client: Client): void {
    if (client.topic === null) return;
    const now = Date.now() / 1000;
    const rows = client.topic === "desk" ? data.desk(this.scene, now) : data.floorRows(this.scene, now);
    client.socket.send(JSON.stringify({ type: "snapshot", seq: this.seq++, now, rows }));
  }

  private become(scene: string): [number, unknown] {
    this.setScene(scene);
    return [200, {}];
  }

  private signIn(body: Record<string, unknown>): [number, unknown] {
    if (body.password !== "demo") return [401, data.WRONG_PASSWORD];
    this.user = String(body.user);
    return this.me();
  }

  private me(): [number, unknown] {
    return this.user === null ? [401, data.SIGNED_OUT] : [200, data.me(this.user)];
  }

  private signOut(): [number, unknown] {
    this.user = null;
    return [204, undefined];
  }

  private takeSeat(body: Record<string, unknown>): [number, unknown] {
    if (body.extension === "8003" && !body.confirm_takeover) return [409, data.SEAT_TAKEN];
    this.setScene(this.seated ? this.scene : "ready");
    return [200, data.seat(String(body.extension))];
  }
}

async function bodyOf(request: IncomingMessage): Promise<Record<string, unknown>> {
  let text = "";
  for await (const chunk of request) text += String(chunk);
  const isJson = request.headers["content-type"]?.startsWith("application/json") ?? false;
  return isJson && text !== "" ? (JSON.parse(text) as Record<string, unknown>) : {};
}

export function mockApi(): Plugin {
  const mock = new Mock();
  const handle = async (
    request: Connect.IncomingMessage,
    response: ServerResponse,
    next: Connect.NextFunction,
  ): Promise<void> => {
    const path = request.url ?? "";
    if (!path.startsWith("/api/") && !path.startsWith("/mock/")) return next();
    const [status, answer] = mock.answer(request.method ?? "GET", path, await bodyOf(request));
    response.writeHead(status, JSON_TYPE).end(answer === undefined ? "" : JSON.stringify(answer));
  };
  return {
    name: "zuoxi-mock",
    configureServer(server) {
      const sockets = new WebSocketServer({ noServer: true });
      server.httpServer?.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
        if (!request.url?.startsWith("/api/v1/live")) return;
        sockets.handleUpgrade(request, socket, head, (client) => mock.join(client));
      });
      server.middlewares.use((request, response, next) => {
        void handle(request, response, next);
      });
    },
  };
}
