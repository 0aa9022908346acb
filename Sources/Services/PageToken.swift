internal import Datasets
internal import TerraneMessages

/// Where a list goes on. Bound to the other arguments, and to itself: a token of another list, or one that somebody wrote
/// himself, is refused.
struct PageToken {
  var before: Int64
  private let arguments: [UInt8]

  /// Throws `INVALID_PAGE_TOKEN`.
  init(_ request: ListDatasetsRequest, principal: String) throws(Datasets.Problem) {
    var rest = request
    rest.pageToken = ""
    rest.pageSize = 0
    arguments = SHA256Digest.of(rest.protobufBytes() + [0] + Array(principal.utf8))
    before = .max
    guard !request.pageToken.isEmpty else { return }
    let position = request.pageToken.prefix { $0 != "-" }
    guard let before = Int64(position, radix: 36), before > 0 else { throw Self.refused }
    self.before = before
    guard text == request.pageToken else { throw Self.refused }
  }

  var text: String {
    let position = String(before, radix: 36)
    let seal = SHA256Digest.of(arguments + Array(position.utf8)).hexDigits.prefix(16)
    return "\(position)-\(seal)"
  }

  private static var refused: Datasets.Problem {
    Datasets.Problem(.invalidPageToken, "this page token belongs to no such list", field: "page_token")
  }
}
