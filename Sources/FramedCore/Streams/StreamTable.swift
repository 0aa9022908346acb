/// Where a stream stands on the server (docs/protocol.md, "Stream states").
package enum StreamState: Int, Sendable, CaseIterable {
  /// The id is above every one seen.
  case idle
  /// The request is incomplete; no handler yet.
  case open
  /// The handler runs and may send.
  case running
  /// The status is fixed by the first cause; the handler is told; nothing more is sent.
  case cancelling
  /// END is chosen, perhaps waiting for credit for its body.
  case ending
  /// The id is over.
  case closed
}

/// What can happen to a stream.
package enum StreamInput: Int, Sendable, CaseIterable {
  /// CALL with the whole request.
  case call
  /// CALL with the first fragment.
  case callFragment
  /// DATA with a fragment that is not the last.
  case data
  /// DATA with LAST.
  case dataLast
  case credit
  case cancel
  /// The deadline passed, the drain is over, or the peer broke a rule of the stream.
  case cause
  case handlerReturned
  /// The handler has not returned for 10 s after it was told.
  case abandoned
  /// END is on its way.
  case endWritten
}

/// What the connection does about it.
package enum StreamAction: Sendable, Hashable {
  /// Start the handler.
  case start
  /// Keep the fragment.
  case assemble
  /// The rest of the request is here: start the handler.
  case assembleAndStart
  case addCredit
  /// Choose END with the cause's status; no handler runs.
  case end
  /// Choose END with the handler's result, or with the cause that came before it.
  case endWithResult
  /// Fix the status, tell the handler.
  case tellHandler
  /// Put the cause's status in place of an END that waits for credit.
  case replaceEnd
  /// DATA after LAST: a stream error the first time, a connection error the second time.
  case dataAfterLast
  /// END without waiting for the handler any longer.
  case abandon
  /// Take the bytes and forget them.
  case drop
  case ignore
  case close
  /// The peer broke the connection's rules.
  case connectionError
  /// Nothing in this program may do this here.
  case impossible
}

/// The state machine as data: one cell for every state and input.
package enum StreamTable {
  package struct Cell: Sendable, Hashable {
    package let next: StreamState
    package let action: StreamAction

    package init(next: StreamState, action: StreamAction) {
      self.next = next
      self.action = action
    }
  }

  @inline(__always)
  package static func cell(_ state: StreamState, _ input: StreamInput) -> Cell {
    cells[state.rawValue * StreamInput.allCases.count + input.rawValue]
  }

  /// Columns in the order of ``StreamInput``.
  private static let rows: [(StreamState, [(StreamState, StreamAction)])] = [
    (
      .idle,
      [
        (.running, .start), (.open, .assemble), (.idle, .connectionError), (.idle, .connectionError),
        (.idle, .connectionError), (.idle, .connectionError), (.idle, .impossible), (.idle, .impossible),
        (.idle, .impossible), (.idle, .impossible),
      ]
    ),
    (
      .open,
      [
        (.open, .connectionError), (.open, .connectionError), (.open, .assemble), (.running, .assembleAndStart),
        (.open, .addCredit), (.ending, .end), (.ending, .end), (.open, .impossible),
        (.open, .impossible), (.open, .impossible),
      ]
    ),
    (
      .running,
      [
        (.running, .connectionError), (.running, .connectionError), (.running, .dataAfterLast),
        (.running, .dataAfterLast),
        (.running, .addCredit), (.cancelling, .tellHandler), (.cancelling, .tellHandler), (.ending, .endWithResult),
        (.running, .impossible), (.running, .impossible),
      ]
    ),
    (
      .cancelling,
      [
        (.cancelling, .connectionError), (.cancelling, .connectionError), (.cancelling, .drop), (.cancelling, .drop),
        (.cancelling, .addCredit), (.cancelling, .ignore), (.cancelling, .ignore), (.ending, .endWithResult),
        (.ending, .abandon), (.cancelling, .impossible),
      ]
    ),
    (
      .ending,
      [
        (.ending, .connectionError), (.ending, .connectionError), (.ending, .drop), (.ending, .drop),
        (.ending, .addCredit), (.ending, .replaceEnd), (.ending, .replaceEnd), (.ending, .ignore),
        (.ending, .ignore), (.closed, .close),
      ]
    ),
    (
      .closed,
      [
        (.closed, .connectionError), (.closed, .connectionError), (.closed, .ignore), (.closed, .ignore),
        (.closed, .ignore), (.closed, .ignore), (.closed, .ignore), (.closed, .ignore),
        (.closed, .ignore), (.closed, .impossible),
      ]
    ),
  ]

  private static let cells: [Cell] = {
    var cells: [Cell] = []
    for (index, row) in rows.enumerated() {
      precondition(row.0.rawValue == index && row.1.count == StreamInput.allCases.count, "a hole in the stream table")
      cells += row.1.map { Cell(next: $0.0, action: $0.1) }
    }
    return cells
  }()
}
