/** Of a device in a bin: a path it uses is off its normal; it suffers by its own measure. */
export const hotMark = 1;
export const ailingMark = 2;
