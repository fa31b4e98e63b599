/* A stand-in for the Linkt API that is never the bottleneck: one thread, epoll, bodies made from the id.
 *
 *   server [--delay-ms N] [--per-icp N] [--limit N --window-ms N]
 *
 * Prints the port it listens on (loopback) and serves, keep-alive:
 *   GET /v1/entity/{id}                              one entity of about 2.5 KB
 *   GET /v1/entity?icp_id=..&page=..&page_size=..    a page of the entities of an ICP, newest first
 *   GET /stats                                       {"served": N, "refused": N}
 * The last 8 digits of an id count; an ICP's number is its last 4 digits, and it holds the entities
 * number * per_icp up to the next ICP's. With --limit, at most so many requests pass in any window, the others get 429.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_FD = 4096, IN = 8192, OUT = 1 << 20, QUEUE = 1 << 16 };
static struct { char in[IN]; int used; char *out; int size, sent; } peer[MAX_FD];
static struct { double due; int fd; } queue[QUEUE]; /* answers held back; all wait equally long, so first in, first out */
static unsigned head, tail;
static double delay, window, passed[1 << 16];
static long limit, per_icp = 1000000, served, refused;
static unsigned long oldest, newest;
static int poller;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static int attribute(char *to, const char *name, const char *value, long number) {
    return sprintf(to,
        "%s\"%s\":{\"value\":\"%s %ld\",\"display\":\"%s %ld\",\"references\":[\"https://source%ld.example/companies/%ld\","
        "\"https://registry.example/filings/%ld\"],\"created_at\":\"2026-04-07T09:41:10Z\","
        "\"updated_at\":\"2026-04-07T09:41:10Z\"}",
        strcmp(name, "name") ? "," : "", name, value, number, value, number, number % 997, number, number);
}

static int entity(char *to, const char *id, long number) {
    static const char *fields[][2] = {{"name", "Company"}, {"website", "https://company.example/"}, {"industry", "Industry"},
        {"employees", "51-200"}, {"revenue", "$10M-$20M"}, {"primary_product", "Shop-floor scheduling suite"},
        {"recent_news", "Opened a second plant and hired a head of operations, said the local paper; reported"}};
    char *at = to;
    at += sprintf(at, "{\"id\":\"%s\",\"sheet_id\":\"69d3cb245c41d0beef002a14\",\"sheet_name\":\"Vendors - companies\","
        "\"entity_type\":\"company\",\"icp_id\":\"69d3cae85c41d0be%08lx\",\"parent_id\":null,\"data\":{", id, number / per_icp);
    for (unsigned i = 0; i < sizeof fields / sizeof *fields; i++) at += attribute(at, fields[i][0], fields[i][1], number);
    at += sprintf(at, ",\"headquarters\":{\"value\":{\"city\":\"Dayton\",\"state\":\"OH\",\"country\":\"United States\"},"
        "\"display\":\"Dayton, OH, United States\",\"references\":[\"https://company.example/contact\"],"
        "\"created_at\":\"2026-04-07T09:41:10Z\",\"updated_at\":\"2026-04-07T09:41:10Z\"}},\"status\":\"new\",\"comments\":null,"
        "\"duplicate_info\":null,\"created_at\":\"2026-04-07T09:41:10Z\",\"updated_at\":\"2026-04-07T10:20:31Z\"}");
    return at - to;
}

static long number_in(const char *path, const char *name, long otherwise) {
    const char *at = strstr(path, name);
    return at ? atol(at + strlen(name)) : otherwise;
}

static int page(char *to, const char *path) {
    const char *icp = strstr(path, "icp_id=");
    long group = icp && strlen(icp) >= 31 ? strtol(strndupa(icp + 7 + 20, 4), NULL, 16) : 0;
    long number = number_in(path, "?page=", number_in(path, "&page=", 1)), size = number_in(path, "page_size=", 20);
    char *at = to + sprintf(to, "{\"entities\":["), id[32];
    for (long i = (number - 1) * size; i < number * size && i < per_icp && size <= 200; i++) {
        long which = (group + 1) * per_icp - 1 - i;
        if (i > (number - 1) * size) *at++ = ',';
        sprintf(id, "69d4d136a5c3be7f%08lx", which);
        at += entity(at, id, which);
    }
    return at - to + sprintf(at, "],\"total\":%ld,\"page\":%ld,\"page_size\":%ld}", per_icp, number, size);
}

static int may_pass(void) {
    double moment = now();
    while (oldest < newest && passed[oldest % (1 << 16)] <= moment - window) oldest++;
    if (limit && (long)(newest - oldest) >= limit) return 0;
    passed[newest++ % (1 << 16)] = moment;
    return 1;
}

static void answer(int fd, const char *path) {
    static char body[OUT];
    int size = 0;
    const char *status = "200 OK";
    if (!strncmp(path, "/stats", 6)) {
        size = sprintf(body, "{\"served\":%ld,\"refused\":%ld}", served, refused);
    } else if (!may_pass()) {
        refused++;
        status = "429 Too Many Requests\r\nretry-after: 1";
        size = sprintf(body, "{\"detail\":\"Rate limit exceeded\"}");
    } else if (!strncmp(path, "/v1/entity/", 11) && strlen(path) == 35) {
        served++;
        size = entity(body, path + 11, strtol(path + 27, NULL, 16));
    } else if (!strncmp(path, "/v1/entity?", 11)) {
        served++;
        size = page(body, path);
    } else {
        status = "404 Not Found";
        size = sprintf(body, "{\"detail\":\"Not found\"}");
    }
    peer[fd].out = malloc(size + 256);
    peer[fd].sent = 0;
    peer[fd].size = sprintf(peer[fd].out, "HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n", status, size);
    memcpy(peer[fd].out + peer[fd].size, body, size);
    peer[fd].size += size;
}

static void leave(int fd) {
    free(peer[fd].out);
    peer[fd].out = NULL;
    peer[fd].used = 0;
    for (unsigned i = head; i != tail; i++) if (queue[i % QUEUE].fd == fd) queue[i % QUEUE].fd = -1;
    close(fd);
}

static void pass_on(int fd) {
    while (peer[fd].sent < peer[fd].size) {
        int n = send(fd, peer[fd].out + peer[fd].sent, peer[fd].size - peer[fd].sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) {
            epoll_ctl(poller, EPOLL_CTL_MOD, fd, &(struct epoll_event){EPOLLIN | EPOLLOUT, {.fd = fd}});
            return;
        }
        if (n <= 0) { leave(fd); return; }
        peer[fd].sent += n;
    }
    free(peer[fd].out);
    peer[fd].out = NULL;
}

static void read_from(int fd) {
    int n = recv(fd, peer[fd].in + peer[fd].used, IN - 1 - peer[fd].used, 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) { leave(fd); return; }
    peer[fd].used += n;
    peer[fd].in[peer[fd].used] = 0;
    if (!strstr(peer[fd].in, "\r\n\r\n") || peer[fd].out) return; /* one request at a time: nobody here pipelines */
    peer[fd].used = 0;
    char *path = strchr(peer[fd].in, ' '), *end = path ? strchr(path + 1, ' ') : NULL;
    if (!end) { leave(fd); return; }
    *end = 0;
    answer(fd, path + 1);
    if (delay > 0) { queue[tail % QUEUE].due = now() + delay; queue[tail++ % QUEUE].fd = fd; }
    else pass_on(fd);
}

int main(int argc, char **argv) {
    for (int i = 1; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--delay-ms")) delay = atof(argv[i + 1]) / 1000;
        if (!strcmp(argv[i], "--per-icp")) per_icp = atol(argv[i + 1]);
        if (!strcmp(argv[i], "--limit")) limit = atol(argv[i + 1]);
        if (!strcmp(argv[i], "--window-ms")) window = atof(argv[i + 1]) / 1000;
    }
    int door = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof at;
    if (bind(door, (void *)&at, sizeof at) || listen(door, 1024) || getsockname(door, (void *)&at, &length)) return 1;
    printf("%d\n", ntohs(at.sin_port));
    fflush(stdout);
    poller = epoll_create1(0);
    epoll_ctl(poller, EPOLL_CTL_ADD, door, &(struct epoll_event){EPOLLIN, {.fd = door}});
    for (;;) {
        struct epoll_event ready[256];
        double pause = head == tail ? 1 : queue[head % QUEUE].due - now();
        struct timespec wait = {pause > 0 ? (long)pause : 0, pause > 0 ? (pause - (long)pause) * 1e9 : 0};
        int n = epoll_pwait2(poller, ready, 256, &wait, NULL);
        for (; head != tail && queue[head % QUEUE].due <= now(); head++)
            if (queue[head % QUEUE].fd >= 0) pass_on(queue[head % QUEUE].fd);
        for (int i = 0; i < n; i++) {
            int fd = ready[i].data.fd, guest;
            if (fd != door) {
                if (ready[i].events & EPOLLOUT && peer[fd].out) {
                    epoll_ctl(poller, EPOLL_CTL_MOD, fd, &(struct epoll_event){EPOLLIN, {.fd = fd}});
                    pass_on(fd);
                }
                if (ready[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) read_from(fd);
                continue;
            }
            while ((guest = accept4(door, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
                if (guest >= MAX_FD) { close(guest); continue; }
                setsockopt(guest, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
                epoll_ctl(poller, EPOLL_CTL_ADD, guest, &(struct epoll_event){EPOLLIN, {.fd = guest}});
            }
        }
    }
}
