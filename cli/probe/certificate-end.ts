/** When a certificate ends or ended, by the days it has left. */
export const showEnd = (daysLeft: number): string => {
  // A few minutes past its end are −0 days.
  const isOver = daysLeft < 0 || Object.is(daysLeft, -0);
  return isOver ? `ended ${lengthOf(-daysLeft)} ago` : `ends in ${lengthOf(daysLeft)}`;
};

const lengthOf = (days: number): string => {
  if (days >= 1) return counted(Math.floor(days), 'day');
  const hours = Math.floor(days * 24);
  return hours < 1 ? 'less than an hour' : counted(hours, 'hour');
};

const counted = (count: number, what: string): string =>
  `${count} ${what}${count === 1 ? '' : 's'}`;
