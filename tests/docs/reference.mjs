// The SDK's reference as Markdown, from what its entries export: signatures and their own comments, nothing else.
// Started by hooks.py in clients/typescript, whose TypeScript it uses; prints the page.
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";

const folder = process.cwd();
const ts = createRequire(resolve(folder, "package.json"))("typescript");

/** The entries of the package and the sources that they are built from. */
function entries() {
  const { name, exports } = JSON.parse(readFileSync(resolve(folder, "package.json"), "utf8"));
  return Object.entries(exports).flatMap(([entry, target]) => {
    const types = typesOf(target);
    const source = types?.replace(/^\.\/dist\/(?:(?:esm|cjs)\/)?/, "src/").replace(/\.d\.[cm]?ts$/, ".ts");
    const path = [source, source?.replace(/\.ts$/, ".tsx")].find((one) => one && existsSync(resolve(folder, one)));
    return path ? [{ name: entry === "." ? name : name + entry.slice(1), path: resolve(folder, path) }] : [];
  });
}

/** The first types among an entry's conditions. */
function typesOf(target) {
  if (typeof target === "string") return target.endsWith(".d.ts") ? target : undefined;
  return target.types ? typesOf(target.types) ?? target.types : Object.values(target).map(typesOf).find(Boolean);
}

const text = (parts) => ts.displayPartsToString(parts).trim();

/** A declaration without its body and without the comments that are shown beside it. */
function declared(node) {
  const print = ts.createPrinter({ removeComments: false });
  const source = node.getSourceFile();
  if (ts.isFunctionDeclaration(node) || ts.isVariableDeclaration(node)) {
    const type = checker.getTypeAtLocation(node);
    const [signature] = type.getCallSignatures();
    const flags = ts.TypeFormatFlags.NoTruncation;
    if (signature) return `function ${node.name.text}${checker.signatureToString(signature, node, flags)}`;
    return `const ${node.name.text}: ${checker.typeToString(type, node, flags)}`;
  }
  if (ts.isClassDeclaration(node)) return classHead(node);
  return print.printNode(ts.EmitHint.Unspecified, node, source).replace(/^\/\*\*[\s\S]*?\*\/\s*/, "").replace(/^export /, "");
}

/** What of a class others may use. */
function classHead(node) {
  const isPublic = (member) => !(ts.getCombinedModifierFlags(member) & (ts.ModifierFlags.Private | ts.ModifierFlags.Protected))
    && !(member.name && ts.isPrivateIdentifier(member.name));
  const lines = node.members.filter(isPublic).map((member) => {
    const shown = member.body ? member.getText().slice(0, member.body.getStart() - member.getStart()).trim() : member.getText();
    return `  ${shown.replace(/;$/, "")};`;
  });
  const heritage = (node.heritageClauses ?? []).map((clause) => ` ${clause.getText()}`).join("");
  return `class ${node.name.text}${heritage} {\n${lines.join("\n")}\n}`;
}

const all = entries();
const options = { strict: true, target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext,
  lib: ["lib.es2022.d.ts", "lib.dom.d.ts"], types: [], jsx: ts.JsxEmit.ReactJSX, noEmit: true };
const program = ts.createProgram(all.map((entry) => entry.path), options);
const checker = program.getTypeChecker();

const page = ["# The SDK's reference", "", "Made from the types of `clients/typescript`; [the SDK](sdk.md) tells how they go together.", ""];
for (const entry of all) {
  page.push(`## ${entry.name}`, "");
  const file = program.getSourceFile(entry.path);
  const symbols = checker.getExportsOfModule(checker.getSymbolAtLocation(file) ?? (() => { throw new Error(`${entry.path} exports nothing`); })());
  for (const symbol of symbols.sort((one, other) => one.name.localeCompare(other.name))) {
    const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
    const node = target.declarations?.[0];
    if (!node) continue;
    const about = text(target.getDocumentationComment(checker));
    page.push(`### ${symbol.name}`, "", about, "", "```ts", declared(node), "```", "");
  }
}
process.stdout.write(`${page.join("\n")}\n`);
