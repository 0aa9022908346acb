import FramedCore
import Testing

/// The stream table against the text of the specification.
@Suite struct StreamTableTests {
  private let frames: [StreamInput] = [.call, .callFragment, .data, .dataLast, .credit, .cancel]

  @Test func noFrameOfAPeerIsImpossible() {
    for state in StreamState.allCases {
      for input in frames { #expect(StreamTable.cell(state, input).action != .impossible, "\(state) \(input)") }
    }
  }

  @Test func nothingButCallOpensAStream() {
    for input in frames {
      let cell = StreamTable.cell(.idle, input)
      switch input {
      case .call: #expect(cell == StreamTable.Cell(next: .running, action: .start))
      case .callFragment: #expect(cell == StreamTable.Cell(next: .open, action: .assemble))
      default: #expect(cell.action == .connectionError)
      }
    }
  }

  @Test func callOnAnyUsedIdIsAConnectionError() {
    for state in StreamState.allCases where state != .idle {
      for input in [StreamInput.call, .callFragment] {
        #expect(StreamTable.cell(state, input).action == .connectionError)
        #expect(StreamTable.cell(state, input).next == state)
      }
    }
  }

  @Test func closedIgnoresWhatCrossedIt() {
    for input in [StreamInput.data, .dataLast, .credit, .cancel] {
      #expect(StreamTable.cell(.closed, input) == StreamTable.Cell(next: .closed, action: .ignore))
    }
  }

  @Test func onlyEndLeadsToClosed() {
    for state in StreamState.allCases where state != .closed {
      for input in StreamInput.allCases where StreamTable.cell(state, input).next == .closed {
        #expect(state == .ending && input == .endWritten)
      }
    }
  }

  @Test func aRunningHandlerHoldsItsStreamUntilItReturnsOrIsAbandoned() {
    for input in frames + [.cause] {
      #expect([.running, .cancelling].contains(StreamTable.cell(.running, input).next))
      #expect(StreamTable.cell(.cancelling, input).next == .cancelling)
    }
    #expect(StreamTable.cell(.cancelling, .handlerReturned).next == .ending)
    #expect(StreamTable.cell(.cancelling, .abandoned).next == .ending)
  }

  @Test func everyStreamReachesClosedFromEveryState() {
    for start in StreamState.allCases where start != .idle {
      var state = start
      for input in [StreamInput.cancel, .handlerReturned, .endWritten] where state != .closed {
        let cell = StreamTable.cell(state, input)
        if cell.action != .impossible { state = cell.next }
      }
      #expect(state == .closed, "\(start)")
    }
  }
}
