/** Requests to the server: JSON in and out, the CSRF header, and errors with what to do about them. */
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

type Method = "GET" | "POST" | "PUT" | "DELETE";

async function problemOf(response: Response): Promise<Problem> {
  const fallback: Problem = {
    title: response.statusText || `HTTP ${response.status}`,
    status: response.status,
    code: `http_${response.status}`,
  };
  try {
    return { ...fallback, ...((await response.json()) as Partial<Problem>) };
  } catch {
    return fallback; // A proxy in between answers in HTML.
  }
}

/**
 * @param path below /api/v1
 * @throws ApiError on any answer but 2xx, and when none came within ten seconds.
 */
export async function call<T>(method: Method, path: string, body?: unknown): Promise<T> {
  const headers: Record<string, string> = { "Accept-Language": caller.language };
  if (method !== "GET") headers["X-Zuoxi-Csrf"] = caller.csrf;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response: Response;
  try {
    response = await fetch(`/api/v1${path}`, {
      method,
      headers,
      body: body === undefined ? null : JSON.stringify(body),
      credentials: "same-origin",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch (cause) {
    throw new ApiError({ title: String(cause), status: 0, code: "network" });
  }
  if (!response.ok) {
    const problem = await problemOf(response);
    if (response.status === 401 && path !== "/session") onSignedOut();
    throw new ApiError(problem);
  }
  const text = await response.text();
  return (text === "" ? undefined : JSON.parse(text)) as T;
}
