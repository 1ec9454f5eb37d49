/** Time, device and ids that all samples share. */
export const at = 1_700_000_000_000;
export const deviceId = '0b8e2c4e-51f5-4f4e-9a3f-6f1f0e9a0001';
export const id = (n: number) => `0b8e2c4e-51f5-4f4e-9a3f-6f1f0e9b${String(n).padStart(4, '0')}`;
