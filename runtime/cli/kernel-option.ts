/** `--kernel`: the version of Linux whose verifier judges. */
import { InvalidArgumentError, Option } from "commander";
import { RELEASES, releaseOf, versionIn, type Version } from "../../compiler/bpf/verifier-rules.ts";

/** The version in a release as text. */
const release = (text: string): Version => {
  const found = versionIn(text);
  if (found === undefined || releaseOf(found) === undefined)
    throw new InvalidArgumentError(`a kernel release is needed, ${RELEASES[0]} or newer (as uname -r says).`);
  return found;
};

export const kernelOption = (what: string): Option =>
  new Option("--kernel <release>", `${what} (rules are known of ${RELEASES.join(", ")})`).argParser(release);
