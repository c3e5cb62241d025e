/** Requests to the server: JSON in and out, the CSRF header, and errors with what to do about them. */
import { parsePlain } from "@/lib/plain";

import type { Problem } from "./types";

const TIMEOUT_MS = 10_000;

/** A refusal of the server, or no answer at all (`code` "network"). */
export class ApiError extends Error {
  constructor(readonly problem: Problem) {
    super(problem.title);
    this.name = "ApiError";
  }

  get code(): string {
    return this.problem.code;
  }
}

interface Caller {
  csrf: string;
  language: string;
}

const caller: Caller = { csrf: "", language: "zh-CN" };
let onSignedOut: () => void = () => undefined;

/** Who calls from now on: the session's CSRF token and the language of messages. */
export function callAs(change: Partial<Caller>): void {
  Object.assign(caller, change);
}

/** What to do when the server no longer knows the session. */
export function whenSignedOut(handler: () => void): void {
  onSignedOut = handler;
}

type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

export interface CallOptions {
  /** Ends the request early; it then fails with code "cancelled". */
  signal?: AbortSignal;
  timeoutMs?: number;
}

async function problemOf(response: Response): Promise<Problem> {
  const fallback: Problem = {
    title: response.statusText || `HTTP ${response.status}`,
    status: response.status,
    code: `http_${response.status}`,
  };
  try {
    return { ...fallback, ...(parsePlain(await response.text()) as Partial<Problem>) };
  } catch {
    return fallback; // A proxy in between answers in HTML.
  }
}

/**
 * @param path below /api/v1
 * @param body sent as JSON, a file as it is
 * @throws ApiError on any answer but 2xx, and when none came in time (ten seconds unless told).
 */
export async function call<T>(
  method: Method,
  path: string,
  body?: unknown,
  options: CallOptions = {},
): Promise<T> {
  const headers: Record<string, string> = { "Accept-Language": caller.language };
  if (method !== "GET") headers["X-Zuoxi-Csrf"] = caller.csrf;
  const file = body instanceof Blob;
  if (body !== undefined) {
    headers["Content-Type"] = file ? "application/octet-stream" : "application/json";
  }
  const timeout = AbortSignal.timeout(options.timeoutMs ?? TIMEOUT_MS);
  let response: Response;
  let text = "";
  try {
    response = await fetch(`/api/v1${path}`, {
      method,
      headers,
      body: body === undefined ? null : file ? body : JSON.stringify(body),
      credentials: "same-origin",
      signal: options.signal ? AbortSignal.any([options.signal, timeout]) : timeout,
    });
    if (response.ok) text = await response.text(); // It may break off after its head came.
  } catch (cause) {
    if (options.signal?.aborted) {
      throw new ApiError({ title: String(cause), status: 0, code: "cancelled" });
    }
    throw new ApiError({ title: String(cause), status: 0, code: "network" });
  }
  if (!response.ok) {
    const problem = await problemOf(response);
    if (response.status === 401 && path !== "/session") onSignedOut();
    throw new ApiError(problem);
  }
  return (text === "" ? undefined : parsePlain(text)) as T;
}
