/** Of each device, and across all processes of an edge. */
export type DeviceLimits = {
  concurrentFlows: number;
  flowsPerSecond: number;
  flowBurst: number;
  /** Names the edge resolves for it. */
  namesPerSecond: number;
  nameBurst: number;
  /** Flows it breaks off. Node ends a session with all its streams past 1,000, then 33 a second. */
  resetsPerSecond: number;
  resetBurst: number;
  /** Requests that are none. */
  mistakesPerSecond: number;
  mistakeBurst: number;
  /** Both directions together, slowed down rather than refused; 0: as fast as it goes. */
  bytesPerSecond: number;
  /** Wrong passwords for the clientless listener, for each address and each user. */
  failedLoginsPerMinute: number;
};

export const defaultLimits: DeviceLimits = {
  concurrentFlows: 1_024,
  flowsPerSecond: 100,
  flowBurst: 500,
  namesPerSecond: 100,
  nameBurst: 500,
  resetsPerSecond: 33,
  resetBurst: 1_000,
  mistakesPerSecond: 10,
  mistakeBurst: 200,
  bytesPerSecond: 0,
  failedLoginsPerMinute: 10,
};
