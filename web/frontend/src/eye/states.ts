/**
 * The language of the eye: one state has one colour, one icon and one word, on every screen.
 * Colours are custom properties of theme.css (`--eye-<state>`), words are `eye.<state>`.
 */
import {
  BellRing,
  CircleCheck,
  CircleMinus,
  CirclePause,
  CircleUserRound,
  Headset,
  NotebookPen,
  TriangleAlert,
} from "@lucide/vue";
import type { Component } from "vue";

import type { AgentState, DeskCallState } from "@/api/types";

export const EYE_STATES = [
  "ready",
  "offered",
  "talking",
  "hold",
  "wrap_up",
  "not_ready",
  "signed_out",
  "trouble",
] as const;

export type EyeState = (typeof EYE_STATES)[number];

const ICONS: Record<EyeState, Component> = {
  ready: CircleCheck,
  offered: BellRing,
  talking: Headset,
  hold: CirclePause,
  wrap_up: NotebookPen,
  not_ready: CircleMinus,
  signed_out: CircleUserRound,
  trouble: TriangleAlert,
};

export function eyeIcon(state: EyeState): Component {
  return ICONS[state];
}

export function eyeColour(state: EyeState): string {
  return `var(--eye-${state})`;
}

/** How an agent looks: unreachable ones are in trouble, whatever they are set to. */
export function eyeOfAgent(agent: { state: AgentState; reachable: boolean }): EyeState {
  const needsPhone = agent.state === "ready" || agent.state === "offered";
  return needsPhone && !agent.reachable ? "trouble" : agent.state;
}

export function eyeOfCall(state: DeskCallState): EyeState {
  if (state === "ringing") return "offered";
  return state === "held" ? "hold" : state;
}
