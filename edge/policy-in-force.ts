import type { Privacy } from '#contract/access.ts';
import type { EdgeConfig } from '#contract/policy.ts';
import { type Access, compileAccess } from './access.ts';
import { type CategoryList, noCategories } from './categories.ts';

/** The policy with the category list it goes by; compiled anew, and whole, when one of them changes. */
export const createPolicyInForce = (parts: { onWarnings?: (warnings: string[]) => void } = {}) => {
  let config: EdgeConfig | undefined;
  let categories: CategoryList = noCategories;
  let access: Access | undefined;
  let told = '';

  const compile = () => {
    if (config === undefined) return;
    access = compileAccess(config, { categories });
    const warnings = [...access.warnings];
    if (warnings.join() === told) return;
    told = warnings.join();
    if (warnings.length > 0) parts.onWarnings?.(warnings);
  };

  return {
    /** Undefined until the first policy has come. */
    access: (): Access | undefined => access,
    privacy: (): Privacy | undefined => config?.privacy,
    setConfig(next: EdgeConfig): void {
      config = next;
      compile();
    },
    setCategories(next: CategoryList): void {
      categories = next;
      compile();
    },
  };
};
