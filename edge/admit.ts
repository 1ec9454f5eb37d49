import { isIP } from 'node:net';
import type { EdgeTiming } from '#contract/body/connection.ts';
import { directDetails } from '#contract/edge-direct.ts';
import { isHost } from '#contract/host-pattern.ts';
import type { Log } from '#runtime/log.ts';
import type { Access } from './access.ts';
import { type FlowBooks, openAccount } from './flow-account.ts';
import type { AdmitRequest, Moved } from './flow-request.ts';
import type { Limits, Pace } from './limits.ts';
import type { Meter } from './meter.ts';
import { type Refusal, refuse } from './refusal.ts';
import type { Resolve, Resolved } from './resolve.ts';

/** A flow that may be opened. One of `fail` and `begin` is called, and `done` after `begin`, once. */
export type Admitted = {
  admitted: true;
  /** Checked, all of them: what is opened goes to one of these, never to the name again. */
  addresses: string[];
  /** Which address, and how long to it, is filled in by who opens the flow. */
  timing: EdgeTiming;
  /** Undefined: the device's bytes a second are not limited. */
  pace?: Pace | undefined;
  fail(refusal: Refusal): NotOpened;
  begin(): void;
  done(moved: Moved): void;
};

export type NotOpened = {
  admitted: false;
  opened: false;
  refusal: Refusal;
  timing: EdgeTiming;
};

export type Admit = (request: AdmitRequest) => Promise<Admitted | NotOpened>;

/** What every flow passes before a packet of it leaves the edge: limits, policy, DNS, addresses. */
export const createAdmit = (parts: {
  edgeId: string;
  /** Undefined until the first policy has come. */
  access: () => Access | undefined;
  isSpecial: (address: string) => boolean;
  resolve: Resolve;
  limits: Limits;
  meter: Meter;
  books: FlowBooks;
  log: Log;
}): Admit => {
  const { meter, limits } = parts;
  const log = parts.log.child({ component: 'flow' });

  return async (request) => {
    const { deviceId, destination, protocol } = request;
    const facts = { deviceId, ...destination, protocol };
    const timing: EdgeTiming = {
      edgeId: parts.edgeId,
      queueMs: 0,
      dnsMs: null,
      connectMs: null,
      address: null,
    };
    const account = openAccount(parts.books, request, timing);
    const refused = (refusal: Refusal): NotOpened => {
      if (refusal.status < 500) meter.refused(refusal.error);
      else meter.dialFailed();
      account.refused(refusal.error);
      log.debug({ ...facts, ...refusal }, 'flow refused');
      return { admitted: false, opened: false, refusal, timing };
    };

    if (!isHost(destination.host)) {
      return refused(refuse('http_request_error', 'not a host name'));
    }
    const over = await limits.take(deviceId);
    if (over) return refused(refuse('connection_limit_reached', `too many ${over}`));
    const fail = (refusal: Refusal): NotOpened => {
      limits.release(deviceId);
      return refused(refusal);
    };
    const addresses = await checkedAddresses(parts, request, timing, account);
    if (!Array.isArray(addresses)) return fail(addresses);
    let begunMs = 0;
    let ended = () => {};
    return {
      admitted: true,
      addresses,
      timing,
      pace: limits.pace(deviceId),
      fail,
      begin() {
        begunMs = performance.now();
        meter.opened(timing);
        if (protocol === 'udp') ended = meter.openUdp();
        account.opened();
      },
      done(moved) {
        limits.release(deviceId);
        ended();
        account.ended(moved);
        const durationMs = performance.now() - begunMs;
        log.debug({ ...facts, ...timing, ...moved, durationMs }, 'flow ended');
      },
    };
  };
};

const checkedAddresses = async (
  parts: Parameters<typeof createAdmit>[0],
  request: AdmitRequest,
  timing: EdgeTiming,
  account: ReturnType<typeof openAccount>,
): Promise<string[] | Refusal> => {
  // One turn of the event loop: what other flows made this one wait shows as queueing.
  await new Promise((resolve) => setImmediate(resolve));
  const access = parts.access();
  if (!access) return refuse('proxy_configuration_error', 'no policy yet');
  const { action, rule } = account.decide(access);
  timing.queueMs = performance.now() - request.receivedMs;
  if (action === 'block') return refuse('http_request_denied', `rule ${rule}`);
  if (action === 'direct') return refuse('http_request_denied', directDetails(rule));
  request.onAllowed?.();

  const application = access.privateApplication(request.destination);
  const over =
    application?.address || isIP(request.destination.host)
      ? null
      : await parts.limits.spend(request.deviceId, 'name');
  if (over) return refuse('connection_limit_reached', `too many ${over}`);
  const resolved: Resolved = application?.address
    ? { ok: true, addresses: [application.address], dnsMs: null }
    : await parts.resolve(request.destination.host);
  timing.dnsMs = resolved.dnsMs;
  if (!resolved.ok) {
    return refuse(resolved.timedOut ? 'dns_timeout' : 'dns_error', resolved.message);
  }
  const special = application ? undefined : resolved.addresses.find(parts.isSpecial);
  if (special !== undefined) {
    return refuse('destination_ip_prohibited', `${special} is not public`);
  }
  return resolved.addresses;
};
