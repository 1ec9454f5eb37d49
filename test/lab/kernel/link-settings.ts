import { close, ioctl, socket, withMemory } from './libc.ts';

const familyInternet = 2;
const typeDatagram = 2;
const requestEthtool = 0x8946; // SIOCETHTOOL
const interfaceNameBytes = 16;

/** ETHTOOL_S… of linux/ethtool.h. */
const offloads = { tcpSegmentation: 0x1f, genericSegmentation: 0x24, genericReceive: 0x2c };

/**
 * Packets as on a wire: a veth would else carry 64-kB segments, which no MTU, token bucket or loss
 * ratio applies to as it should. Within `inNamespace` of the interface.
 */
export const switchOffloadsOff = (interfaceName: string): void => {
  const descriptor = socket(familyInternet, typeDatagram, 0);
  try {
    for (const command of Object.values(offloads)) setEthtool(descriptor, interfaceName, command);
  } finally {
    close(descriptor);
  }
};

const setEthtool = (descriptor: number, interfaceName: string, command: number): void =>
  withMemory(8, (value) =>
    withMemory(40, (request) => {
      value.view.setUint32(0, command, true); // struct ethtool_value { cmd, data = 0 }
      const name = Buffer.from(interfaceName);
      if (name.length >= interfaceNameBytes) throw new Error(`${interfaceName} is too long a name`);
      request.bytes.set(name); // struct ifreq { name[16], pointer }
      request.view.setBigUint64(interfaceNameBytes, value.address, true);
      ioctl(descriptor, requestEthtool, request.address);
    }),
  );
