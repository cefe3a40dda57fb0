/** Docstrings of exports, and the summaries of operations. */
import ts from 'typescript';
import type { Finding, Source } from './finding.ts';

const documented =
  /^(contract|api|workflows|activities|adapters|domain|platform|workers|cli|client|web|engines|bench|kibana)\//;

/** Returns the exports without a docstring and the operations without a summary. */
export function checkDocstrings(sources: readonly Source[]): Finding[] {
  return sources
    .filter(({ file }) => documented.test(file) && file.endsWith('.ts'))
    .flatMap(({ file, text }) => {
      const tree = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
      return [...undocumented(tree), ...(file.startsWith('contract/') ? withoutSummary(tree) : [])];
    });
}

/** A schema and the type of its values share a name; one docstring is enough for both. */
function undocumented(tree: ts.SourceFile): Finding[] {
  const schemas = new Set(tree.statements.filter(ts.isVariableStatement).flatMap(namesOf));
  return tree.statements
    .filter((statement) => isExport(statement) && ts.getJSDocCommentsAndTags(statement).length === 0)
    .filter((statement) => !(ts.isTypeAliasDeclaration(statement) && schemas.has(statement.name.text)))
    .map((statement) => findingAt(tree, statement, `${namesOf(statement).join(', ')} has no docstring`));
}

function isExport(statement: ts.Statement): boolean {
  const modifiers = ts.canHaveModifiers(statement) ? (ts.getModifiers(statement) ?? []) : [];
  return modifiers.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword);
}

function namesOf(statement: ts.Statement): string[] {
  if (ts.isVariableStatement(statement))
    return statement.declarationList.declarations.map(({ name }) => name.getText());
  const isNamed =
    ts.isFunctionDeclaration(statement) ||
    ts.isClassDeclaration(statement) ||
    ts.isInterfaceDeclaration(statement) ||
    ts.isTypeAliasDeclaration(statement);
  return isNamed && statement.name ? [statement.name.text] : [];
}

/** A summary is a sentence without a full stop, written in the row of the table. */
function withoutSummary(tree: ts.SourceFile): Finding[] {
  return callsIn(tree)
    .filter(({ expression }) => /^(rpcO|o)peration$/.test(expression.getText()))
    .filter(({ arguments: [row] }) => !(row && ts.isObjectLiteralExpression(row) && hasSummary(row)))
    .map((call) =>
      findingAt(tree, call, 'the operation has no summary, or one that is no sentence without a full stop'),
    );
}

function hasSummary(row: ts.ObjectLiteralExpression): boolean {
  return row.properties
    .filter(ts.isPropertyAssignment)
    .some(
      ({ name, initializer }) =>
        name.getText() === 'summary' &&
        ts.isStringLiteralLike(initializer) &&
        /^[A-Z].{5,}[^.]$/.test(initializer.text),
    );
}

function callsIn(node: ts.Node): ts.CallExpression[] {
  const found: ts.CallExpression[] = [];
  const visit = (child: ts.Node): void => {
    if (ts.isCallExpression(child)) found.push(child);
    child.forEachChild(visit);
  };
  visit(node);
  return found;
}

function findingAt(tree: ts.SourceFile, node: ts.Node, message: string): Finding {
  return { file: tree.fileName, line: tree.getLineAndCharacterOfPosition(node.getStart()).line + 1, message };
}
