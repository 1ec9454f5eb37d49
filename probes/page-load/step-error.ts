/** What a step itself found out: nothing on the page has to be looked at to say more. */
export class StepError extends Error {}

/** As written, no page can satisfy the step: not the application's fault. */
export class BadStep extends Error {}
