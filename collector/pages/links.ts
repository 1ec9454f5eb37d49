/** Addresses of the pages: ids are percent-encoded, whatever they hold. */
export const applicationUrl = (id: string): string => `/applications/${encodeURIComponent(id)}`;
export const deviceUrl = (id: string): string => `/devices/${encodeURIComponent(id)}`;
export const answerUrl = (deviceId: string, appId: string): string =>
  `${deviceUrl(deviceId)}/applications/${encodeURIComponent(appId)}`;
export const artefactUrl = (resultId: string, kind: string): string =>
  `/v1/results/${encodeURIComponent(resultId)}/artefacts/${encodeURIComponent(kind)}`;
export const sharedIncidentUrl = (id: string): string =>
  `/incidents/shared/${encodeURIComponent(id)}`;
