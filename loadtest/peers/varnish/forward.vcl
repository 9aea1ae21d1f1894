# Varnish hands requests on: everything passes, nothing is looked up or kept.
vcl 4.1;

backend upstream {
    .host = "@UPSTREAM_IP@";
    .port = "@UPSTREAM_PORT@";
}

sub vcl_recv {
    return (pass);
}
