/** Microphones and speakers: which are there, which one is taken, which one was wished for. */
import { readJson, writeText } from "@/lib/storage";

export interface Device {
  readonly id: string;
  readonly label: string;
}

export type DeviceKind = "microphone" | "speaker";

export type Devices = Readonly<Record<DeviceKind, readonly Device[]>>;

export const NO_DEVICES: Devices = { microphone: [], speaker: [] };

const KINDS: Partial<Record<MediaDeviceKind, DeviceKind>> = {
  audioinput: "microphone",
  audiooutput: "speaker",
};
/** What Windows means for calls is not what the person chose here. */
const NOT_OFFERED = "communications";

/** What the browser lists, as choices. Without permission it hides ids and names: then nothing. */
export function devicesOf(infos: readonly Pick<MediaDeviceInfo, "kind" | "deviceId" | "label">[]): Devices {
  const found: Record<DeviceKind, Device[]> = { microphone: [], speaker: [] };
  for (const { kind, deviceId, label } of infos) {
    const ours = KINDS[kind];
    if (!ours || deviceId === "" || deviceId === NOT_OFFERED) continue;
    found[ours].push({ id: deviceId, label: label || deviceId });
  }
  return found;
}

/**
 * The device that is taken: the wished one, found by its name too (ids change when site data are
 * cleared), else the system's own, which stands first.
 */
export function taken(devices: readonly Device[], wish: Device | null): Device | null {
  return (
    devices.find((each) => each.id === wish?.id) ??
    devices.find((each) => each.label === wish?.label) ??
    devices[0] ??
    null
  );
}

export function readWish(kind: DeviceKind): Device | null {
  const kept = readJson(kind) as Partial<Device> | null;
  if (typeof kept?.id !== "string" || typeof kept.label !== "string") return null;
  return { id: kept.id, label: kept.label };
}

export function keepWish(kind: DeviceKind, device: Device): void {
  writeText(kind, JSON.stringify(device));
}
