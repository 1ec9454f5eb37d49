/** Something a run made beside its figures. Each has one form. */
export const artefactKinds = ['har', 'screenshot'] as const;
export type ArtefactKind = (typeof artefactKinds)[number];

export const artefactMediaTypes = {
  har: 'application/json',
  screenshot: 'image/jpeg',
} as const satisfies Record<ArtefactKind, string>;

/** As it travels, an archive gzipped. */
export const maxArtefactBytes = 2 * 1024 * 1024;
/** What an archive may inflate to. */
export const maxArchiveBytes = 16 * 1024 * 1024;
