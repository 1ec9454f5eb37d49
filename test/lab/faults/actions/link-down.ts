import { checkLink, type Doer } from './doer.ts';

/** The cable out. Routes stay what they are: nobody routes around it. */
export const linkDownDoer: Doer<'link-down'> = {
  changes: ({ link }) => `the state of ${link}`,
  check: (lab, { link }) => checkLink(lab, link),
  apply: (lab, { link }) => lab.setLinkUp(link, false),
  undo: (lab, { link }) => lab.setLinkUp(link, true),
};
