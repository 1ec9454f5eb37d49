/** The parts of net-ping 1.2.4 that the subclass in icmp-session.ts uses. */
declare module 'net-ping' {
  export type Request = {
    id: number;
    retries: number;
    timeout: number;
    target: string;
    buffer?: Buffer;
    callback: (error: Error | null, target: string, sent: Date, received: Date) => void;
  };

  export class Session {
    constructor(options: {
      networkProtocol?: number;
      retries?: number;
      timeout?: number;
      packetSize?: number;
      sessionId?: number;
      ttl?: number;
    });
    reqs: Record<number, Request>;
    reqsPending: number;
    getSocket(): {
      recvPaused: boolean;
      setOption(level: number, option: number, value: number): void;
      resumeRecv(): unknown;
      pauseRecv(): unknown;
    };
    reqQueue(request: Request): this;
    reqRemove(id: number): Request | undefined;
    toBuffer(request: Request): Buffer;
    onBeforeSocketSend(request: Request): void;
    onSocketMessage(buffer: Buffer, source: string): void;
    on(event: 'error' | 'close', listener: (error: Error) => void): this;
    close(): this;
  }

  export const NetworkProtocol: { IPv4: number; IPv6: number };
}
