import ArgumentParser
import CommandLineClient
import Credentials
import Foundation
import ProtobufFacade

struct CredentialsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "credentials", abstract: "Who may use the server; run on the server's machine.",
    discussion: """
      EXAMPLES
        sudo \(Invocation.program) credentials issue mara --role editor
        sudo \(Invocation.program) credentials issue robot --role reader --token --days 30
        sudo \(Invocation.program) credentials list
        sudo \(Invocation.program) credentials revoke mara
      """,
    subcommands: [IssueCommand.self, PrincipalsCommand.self, RevokeCommand.self])
}

/// Where the server's credentials are.
struct StoreOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The server's data directory (default: /var/lib/terrane, else $XDG_DATA_HOME/terrane).", valueName: "dir"))
  var data: String?

  @OptionGroup var output: OutputOptions

  var store: CredentialStore {
    let locator = ServerLocator(data: data.map(absolute), environment: ProcessInfo.processInfo.environment)
    return CredentialStore(directory: locator.dataDirectory + "/credentials")
  }

  /// Runs a command's body; prints what went wrong and turns it into the exit status.
  func run(_ body: (CredentialStore) throws -> Void) throws {
    do {
      try body(store)
    } catch let error as CredentialError {
      let failure = Failure(
        CommandLineError(.badRequest, Self.reason(error.kind), error.message, remedy: Self.remedy(error.kind)))
      Session.report(failure, json: output.json)
      throw ExitCode(failure.status.rawValue)
    }
  }

  private static func reason(_ kind: CredentialError.Kind) -> String {
    "CREDENTIALS_" + kind.rawValue.reduce(into: "") { $0 += ($1.isUppercase ? "_" : "") + $1.uppercased() }
  }

  private static func remedy(_ kind: CredentialError.Kind) -> String {
    switch kind {
    case .file: "Run it as the user the server runs as, or as root: sudo \(Invocation.program) credentials ..."
    case .occupied: "Choose another folder: --out DIR"
    case .noAuthority: "Name the server's data directory: --data DIR (or TERRANE_DATA)."
    default: ""
    }
  }
}

struct IssueCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "issue", abstract: "Make credentials for a person or program.",
    discussion: """
      EXAMPLE
        sudo \(Invocation.program) credentials issue mara --role editor

      ROLES
        reader    looks and watches
        editor    also creates and deletes
        operator  also steers the engine
        admin     everything

      The folder holds client.pem, client.key and ca.pem: all that a client needs. \
      Keep the key secret.

      With --token it holds token and ca.pem: a bearer token in place of a certificate, for a server \
      that was started with --tokens.
      """)

  @Argument(help: "Who it is for: a-z, 0-9, '.', '_' and '-'.")
  var name: String

  @Option(
    help: "reader, editor, operator or admin.",
    transform: { word in
      guard let role = Role(rawValue: word.lowercased()) else {
        throw ValidationError("The roles are reader, editor, operator and admin.")
      }
      return role
    })
  var role: Role

  @Option(name: .customLong("namespace"), help: "Only this namespace; repeat for several (default: all).")
  var namespaces: [String] = []

  @Option(help: ArgumentHelp("Folder to write to (default: ./NAME-credentials).", valueName: "dir"))
  var out: String?

  @Flag(help: "A bearer token in place of a certificate.")
  var token = false

  @Option(help: "Days that a token is good (default: 90).")
  var days: Int?

  @OptionGroup var options: StoreOptions

  func validate() throws {
    if days != nil, !token { throw ValidationError("--days is of tokens: give --token, too.") }
    if let days, !(1...3_650).contains(days) { throw ValidationError("--days is a number from 1 to 3650.") }
  }

  private func issueToken(_ store: CredentialStore, _ folder: String) throws {
    let bundle = try store.issueToken(
      name: name, role: role, namespaces: namespaces.isEmpty ? ["*"] : namespaces,
      lifetime: Double(days ?? 90) * 86_400, to: folder)
    let expiry = bundle.expiry.ISO8601Format()
    if options.output.json {
      Terminal.output.line(
        JSONValue.object([
          .init("principal", .string(bundle.principal)), .init("role", .string(bundle.role.rawValue)),
          .init("directory", .string(bundle.directory)), .init("expires_at", .string(expiry)),
        ]).text)
      return
    }
    Terminal.output.write(
      """
      ISSUED  \(bundle.principal)  role \(bundle.role.rawValue), until \(expiry)
        Token   \(bundle.token)
        Use     \(Invocation.program) list --server HOST:PORT --credentials \(bundle.directory)
        Revoke  \(Invocation.program) credentials revoke \(name)

      """)
  }

  func run() throws {
    try options.run { store in
      let folder = absolute(out ?? name + "-credentials")
      if token { return try issueToken(store, folder) }
      let bundle = try store.issue(
        name: name, role: role, namespaces: namespaces.isEmpty ? ["*"] : namespaces, to: folder)
      let expiry = bundle.expiry.ISO8601Format()
      if options.output.json {
        Terminal.output.line(
          JSONValue.object([
            .init("principal", .string(bundle.principal)), .init("role", .string(bundle.role.rawValue)),
            .init("directory", .string(bundle.directory)), .init("serial", .string(bundle.serial)),
            .init("expires_at", .string(expiry)),
          ]).text)
        return
      }
      Terminal.output.write(
        """
        ISSUED  \(bundle.principal)  role \(bundle.role.rawValue), until \(expiry)
          Folder  \(bundle.directory)
          Use     \(Invocation.program) list --server HOST:PORT --credentials \(bundle.directory)
          Revoke  \(Invocation.program) credentials revoke \(name)

        """)
    }
  }
}

struct PrincipalsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "list", abstract: "List who may use the server.")

  @OptionGroup var options: StoreOptions

  func run() throws {
    try options.run { store in
      for (uri, entry) in try store.principals().entries.sorted(by: { $0.key < $1.key }) {
        let expiry = entry.expiresAt.ISO8601Format()
        if options.output.json {
          Terminal.output.line(
            JSONValue.object([
              .init("principal", .string(uri)), .init("role", .string(entry.role.rawValue)),
              .init("namespaces", .array(entry.namespaces.map { .string($0) })), .init("serial", .string(entry.serial)),
              .init("expires_at", .string(expiry)),
            ]).text)
        } else {
          Terminal.output.line(
            "\(TerminalText.padded(uri, to: 34))  \(TerminalText.padded(entry.role.rawValue, to: 8))  "
              + "\(entry.namespaces.joined(separator: ","))  until \(expiry)")
        }
      }
    }
  }
}

struct RevokeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "revoke", abstract: "Take someone's access away, at once.")

  @Argument(help: "The name it was issued for.")
  var name: String

  @OptionGroup var options: StoreOptions

  func run() throws {
    try options.run { store in
      guard try store.revoke(name: name) else {
        let failure = Failure(
          CommandLineError(
            .notFoundOrExists, "PRINCIPAL_NOT_FOUND", "There is no principal \(TerminalText.sanitised(name)).",
            remedy: "See who there is: \(Invocation.program) credentials list"))
        Session.report(failure, json: options.output.json)
        throw ExitCode(failure.status.rawValue)
      }
      if options.output.json {
        Terminal.output.line(JSONValue.object([.init("revoked", .string(Principals.uri(of: name)))]).text)
      } else {
        Terminal.output.line("REVOKED  \(Principals.uri(of: name))")
      }
    }
  }
}
