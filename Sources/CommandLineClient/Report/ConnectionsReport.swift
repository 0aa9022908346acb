public import TerraneMessages

/// The connections of a server as text.
public struct ConnectionsReport: Sendable {
  private let answer: ListConnectionsResponse

  public init(now answer: ListConnectionsResponse) { self.answer = answer }

  public var text: String {
    var lines: [String] = []
    for connection in answer.connections {
      var facts = [
        connection.principal.isEmpty ? "no certificate" : connection.principal, connection.agent,
        "for \(Self.time(connection.ageMs))", "silent \(Self.time(connection.silentMs))",
        "\(connection.openStreams) \(connection.openStreams == 1 ? "stream" : "streams")",
      ]
      if connection.heldBytes > 0 { facts.append("holds \(connection.heldBytes) bytes") }
      if connection.draining { facts.append("draining") }
      let named = facts.filter { !$0.isEmpty }.map(TerminalText.sanitised)
      lines.append("\(TerminalText.sanitised(connection.peer))  \(named.joined(separator: ", "))")
      for stream in connection.streams {
        var facts = [stream.state.lowercased(), "for \(Self.time(stream.ageMs))"]
        if stream.waiting > 0 { facts.append("\(stream.waiting) waiting") }
        if let blocked = stream.blockedMs { facts.append("without credit for \(Self.time(blocked))") }
        if stream.principal != connection.principal { facts.append(TerminalText.sanitised(stream.principal)) }
        lines.append("  \(stream.id)  \(TerminalText.sanitised(stream.method))  \(facts.joined(separator: ", "))")
      }
      let more = Int(connection.openStreams) - connection.streams.count
      if more > 0 { lines.append("  and \(more) more") }
    }
    let count = Int(answer.count)
    lines.append(
      "\(count) \(count == 1 ? "connection" : "connections")"
        + (count > answer.connections.count ? ", \(answer.connections.count) shown" : ""))
    return lines.joined(separator: "\n") + "\n"
  }

  /// `850 ms`, `12 s`, `3 min`, `5 h`, `2 d`.
  private static func time(_ milliseconds: Int64) -> String {
    let seconds = milliseconds / 1_000
    if seconds < 1 { return "\(milliseconds) ms" }
    if seconds < 120 { return "\(seconds) s" }
    if seconds < 7_200 { return "\(seconds / 60) min" }
    return seconds < 172_800 ? "\(seconds / 3_600) h" : "\(seconds / 86_400) d"
  }
}
