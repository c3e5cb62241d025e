/** Whatever goes wrong on the way to the server and back is one kind of error. */
import { afterEach, expect, it, vi } from "vitest";

import { call } from "@/api/http";

afterEach(() => vi.unstubAllGlobals());

const broken = (signal?: AbortSignal | null): Response =>
  ({
    ok: true,
    status: 200,
    text: () => Promise.reject(signal?.reason ?? new DOMException("timed out", "TimeoutError")),
  }) as unknown as Response;

it("says that the server cannot be reached when the answer breaks off half way", async () => {
  vi.stubGlobal("fetch", () => Promise.resolve(broken()));
  await expect(call("GET", "/floor")).rejects.toMatchObject({ problem: { code: "network", status: 0 } });
});

it("says that it was called back when that is why the answer breaks off", async () => {
  const calling = new AbortController();
  vi.stubGlobal("fetch", (_address: string, options: RequestInit) => {
    calling.abort();
    return Promise.resolve(broken(options.signal));
  });
  await expect(call("GET", "/customers", undefined, { signal: calling.signal })).rejects.toMatchObject({
    problem: { code: "cancelled" },
  });
});
