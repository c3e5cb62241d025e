/** Reading calls: the list with its filters, one call with all its parts, the recording's address. */
import { call } from "./http";
import type { CallDetail, CallPage } from "./types";

export interface CallFilter {
  from?: number;
  to?: number;
  agent?: string;
  queue?: string;
  outcome?: string;
  q?: string;
  /** A call: earlier calls of the same caller. */
  caller_of?: string;
}

export function readCalls(filter: CallFilter, limit: number, cursor: string | null = null): Promise<CallPage> {
  const query = new URLSearchParams({ limit: String(limit) });
  for (const [key, value] of Object.entries(filter)) {
    if (value !== undefined && value !== "") query.set(key, String(value));
  }
  if (cursor !== null) query.set("cursor", cursor);
  return call<CallPage>("GET", `/calls?${query.toString()}`);
}

export function readCall(callId: string): Promise<CallDetail> {
  return call<CallDetail>("GET", `/calls/${encodeURIComponent(callId)}`);
}

export function recordingAddress(recordingId: string): string {
  return `/api/v1/recordings/${encodeURIComponent(recordingId)}/audio`;
}
