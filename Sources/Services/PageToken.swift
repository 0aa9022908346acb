internal import Datasets
internal import TerraneMessages

/// Where a list goes on. Bound to the other arguments: a token of another list is refused.
struct PageToken {
  var before: Int64
  private let binding: String

  /// Throws `INVALID_PAGE_TOKEN`.
  init(_ request: ListDatasetsRequest, principal: String) throws(Datasets.Problem) {
    var arguments = request
    arguments.pageToken = ""
    arguments.pageSize = 0
    binding = String(SHA256Digest.of(arguments.protobufBytes() + Array(principal.utf8)).hexDigits.prefix(16))
    guard !request.pageToken.isEmpty else {
      before = .max
      return
    }
    let parts = request.pageToken.split(separator: "-", maxSplits: 1)
    guard parts.count == 2, parts[1] == binding, let before = Int64(parts[0], radix: 36), before > 0 else {
      throw Datasets.Problem(.invalidPageToken, "this page token belongs to no such list", field: "page_token")
    }
    self.before = before
  }

  var text: String { "\(String(before, radix: 36))-\(binding)" }
}
