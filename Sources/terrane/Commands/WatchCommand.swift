import ArgumentParser
import CommandLineClient

struct WatchCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "watch", abstract: "Show a dataset's progress until it is served, or has failed.",
    discussion: """
      EXAMPLES
        \(Invocation.program) watch demo/roads/v1
        \(Invocation.program) watch demo/roads/v1 --json > events.jsonl
        \(Invocation.program) watch demo/roads/v1 --json --after 1234567890:42

      --after takes epoch and safe_seq of the last line that was printed. A server \
      that restarts is waited for (--timeout), and nothing is lost. Ctrl-C leaves \
      the dataset running.
      """)

  @Argument(help: ArgumentHelp("The dataset.", valueName: "dataset"))
  var name: String

  @Option(help: ArgumentHelp("Go on behind this position.", valueName: "epoch:seq"))
  var after: String?

  @Flag(help: "Stay after the operation has ended, for later ones.")
  var follow = false

  @OptionGroup var connection: ConnectionOptions

  func run() async throws {
    try await Session.run(connection) { session in
      let reference = try await session.reference(name)
      let position = try after.map { text throws(CommandLineError) in try WatchPosition(text) }
      try await Watching(session: session, reference: reference, options: connection, follow: follow, shown: reference)
        .run(after: position, connected: false)
    }
  }
}
