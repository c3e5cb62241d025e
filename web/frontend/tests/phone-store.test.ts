/** The phone's life in the desk's state: when it starts, and what it is not started over. */
import { createPinia, disposePinia, setActivePinia, type Pinia } from "pinia";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { untilTouched } from "@/lib/touch";
import type { PhoneCall, PhoneListener } from "@/phone/phone";

const made = vi.hoisted(() => ({ phones: [] as FakePhone[] }));

interface FakePhone {
  listener: PhoneListener;
  start: ReturnType<typeof vi.fn>;
  stop: ReturnType<typeof vi.fn>;
  useMicrophone: ReturnType<typeof vi.fn>;
}

vi.mock("@/lib/beat", () => ({ onWake: () => () => undefined }));
vi.mock("@/phone/jssip", () => ({
  JsSipPhone: class {
    start = vi.fn();
    stop = vi.fn();
    useMicrophone = vi.fn(() => Promise.resolve());
    constructor(readonly listener: PhoneListener) {
      made.phones.push(this as never);
    }
  },
}));

const { usePhone } = await import("@/stores/phone");

const ACCOUNT = { uri: "sip:8001@pbx", ws_url: "ws://pbx/ws", user: "8001", password: "x" };
const CALL: PhoneCall = { id: "s", number: "1", name: "", state: "talking", muted: false, held: false, holding: false, holdWished: false };
let pinia: Pinia;

beforeEach(() => {
  made.phones.length = 0;
  vi.stubGlobal("window", new EventTarget());
  vi.stubGlobal("localStorage", { getItem: () => null, setItem: vi.fn(), removeItem: vi.fn() });
  vi.stubGlobal("navigator", {});
  vi.stubGlobal("HTMLAudioElement", class {});
  vi.stubGlobal("document", {
    getElementById: () => null,
    createElement: () => ({}),
    body: { append: () => undefined },
  });
  pinia = createPinia();
  setActivePinia(pinia);
});

afterEach(() => disposePinia(pinia));

async function inCall() {
  const phone = usePhone();
  await phone.start(ACCOUNT);
  const [first] = made.phones as [FakePhone];
  first.listener.call(CALL);
  return { phone, first };
}

describe("a seat that is taken during a call", () => {
  it("goes on with the phone that is there, where the account is the same", async () => {
    const { phone, first } = await inCall();
    await phone.start({ ...ACCOUNT });
    first.listener.call(null);
    await vi.dynamicImportSettled();
    expect(first.stop).not.toHaveBeenCalled();
    expect(made.phones).toHaveLength(1);
  });

  it("starts the phone of another account when the call has ended", async () => {
    const { phone, first } = await inCall();
    const other = { ...ACCOUNT, uri: "sip:8002@pbx" };
    await phone.start(other);
    expect(first.stop).not.toHaveBeenCalled();
    first.listener.call(null);
    await vi.waitFor(() => expect(made.phones).toHaveLength(2));
    expect(first.stop).toHaveBeenCalledTimes(1);
    expect(made.phones[1]?.start).toHaveBeenCalledWith(other);
  });
});

describe("starting", () => {
  it("is given up when the seat was left meanwhile", async () => {
    const phone = usePhone();
    const starting = phone.start(ACCOUNT);
    phone.stop();
    await starting;
    expect([made.phones, phone.line]).toEqual([[], "off"]);
  });

  it("touches no phone that was stopped while the microphones were listed", async () => {
    const phone = usePhone();
    let listed: (devices: []) => void = () => undefined;
    const enumerateDevices = vi.fn(() => new Promise((resolve) => (listed = resolve)));
    vi.stubGlobal("navigator", { mediaDevices: { enumerateDevices, addEventListener: vi.fn() } });
    const starting = phone.start(ACCOUNT);
    await vi.waitFor(() => expect(enumerateDevices).toHaveBeenCalled());
    phone.stop();
    listed([]);
    await starting;
    expect(made.phones[0]?.useMicrophone).not.toHaveBeenCalled();
  });

  it("fails quietly where JsSIP cannot be had: the desk tries again", async () => {
    vi.resetModules();
    vi.doMock("@/phone/jssip", () => {
      throw new Error("Failed to fetch");
    });
    const fresh = (await import("@/stores/phone")).usePhone();
    await fresh.start(ACCOUNT);
    expect(fresh.line).toBe("off");
  });
});

describe("the sound of the ring", () => {
  it("is asked for until a touch counts", async () => {
    let counts = false;
    const resumed: (() => void)[] = [];
    vi.stubGlobal("AudioContext", class {
      state = "suspended";
      async resume(): Promise<void> {
        if (!counts) return new Promise((go) => resumed.push(go));
        this.state = "running";
        resumed.forEach((go) => go());
      }
    });
    const phone = usePhone();
    phone.soundBlocked = true;
    const unlock = vi.fn(() => phone.unlockSound());
    untilTouched(unlock);
    for (const touch of ["keydown", "pointerdown"]) window.dispatchEvent(new Event(touch));
    await vi.dynamicImportSettled();
    expect(phone.soundBlocked).toBe(true);
    counts = true;
    window.dispatchEvent(new Event("pointerup"));
    await vi.waitFor(() => expect(phone.soundBlocked).toBe(false));
    await vi.dynamicImportSettled();
    window.dispatchEvent(new Event("click"));
    expect(unlock).toHaveBeenCalledTimes(3);
  });
});
